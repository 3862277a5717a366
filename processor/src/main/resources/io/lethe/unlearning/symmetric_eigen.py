class SymmetricEigen(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.SymmetricEigen,
    matrix: Tensor) -> Tuple[Tensor, Tensor]:
    values, vectors, = torch.linalg_eigh(matrix, "L")
    return (values, vectors)
