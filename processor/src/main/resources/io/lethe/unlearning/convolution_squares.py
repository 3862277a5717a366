class ConvolutionSquares(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.ConvolutionSquares,
    input: Tensor,
    gradient: Tensor,
    kernel: List[int],
    stride: List[int],
    padding: List[int],
    dilation: List[int],
    chunk: int) -> Tensor:
    samples = torch.size(gradient, 0)
    filters = torch.size(gradient, 1)
    rows = torch.mul(torch.mul(torch.size(input, 1), kernel[0]), kernel[1])
    total = torch.zeros([filters, rows], dtype=ops.prim.dtype(gradient))
    for i in range(torch.floordiv(torch.sub(torch.add(samples, chunk), 1), chunk)):
      first = torch.mul(i, chunk)
      last = torch.add(first, chunk)
      columns = torch.im2col(torch.slice(input, 0, first, last, 1), kernel, dilation, padding, stride)
      products = torch.bmm(torch.slice(gradient, 0, first, last, 1), torch.transpose(columns, 1, 2))
      if torch.eq(chunk, 1):
        product = torch.squeeze(products, 0)
        _0 = torch.addcmul_(total, product, product)
      else:
        _1 = torch.add_(total, torch.sum(torch.mul_(products, products), [0]))
    return total
