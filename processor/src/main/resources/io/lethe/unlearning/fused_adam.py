class FusedAdam(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.FusedAdam,
    arrays: List[Tensor],
    gradients: List[Tensor],
    means: List[Tensor],
    variances: List[Tensor],
    step: Tensor,
    settings: Tensor) -> Tensor:
    rate = float(torch.select(settings, 0, 0))
    beta1 = float(torch.select(settings, 0, 1))
    beta2 = float(torch.select(settings, 0, 2))
    epsilon = float(torch.select(settings, 0, 3))
    moved = annotate(List[Tensor], [])
    along = annotate(List[Tensor], [])
    steps = annotate(List[Tensor], [])
    largest = annotate(List[Tensor], [])
    for i in range(torch.len(arrays)):
      array = arrays[i]
      _0 = torch.append(moved, torch.contiguous(array))
      _1 = torch.append(along, torch.contiguous(gradients[i]))
      _2 = torch.append(steps, step)
    torch._fused_adam_(moved, along, means, variances, largest, steps, lr=rate, beta1=beta1, beta2=beta2, weight_decay=0., eps=epsilon, amsgrad=False, maximize=False)
    for i in range(torch.len(arrays)):
      array = arrays[i]
      if torch.is_contiguous(array):
        pass
      else:
        _3 = torch.copy_(array, moved[i])
    return settings
