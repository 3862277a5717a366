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
    shifted: bool,
    chunk: int) -> Tensor:
    samples = torch.size(gradient, 0)
    filters = torch.size(gradient, 1)
    channels = torch.size(input, 1)
    positions = torch.mul(kernel[0], kernel[1])
    chunks = torch.floordiv(torch.sub(torch.add(samples, chunk), 1), chunk)
    if shifted:
      flat = torch.reshape(gradient, [samples, filters, -1])
      padded = torch.constant_pad_nd(input, [padding[1], padding[1], padding[0], padding[0]], 0)
      total = torch.zeros([positions, filters, channels], dtype=ops.prim.dtype(gradient), device=ops.prim.device(gradient))
      down = torch.add(torch.mul(torch.sub(torch.size(gradient, 2), 1), stride[0]), 1)
      right = torch.add(torch.mul(torch.sub(torch.size(gradient, 3), 1), stride[1]), 1)
      for row in range(kernel[0]):
        top = torch.mul(row, dilation[0])
        rows = torch.slice(padded, 2, top, torch.add(top, down), stride[0])
        for column in range(kernel[1]):
          left = torch.mul(column, dilation[1])
          slices = torch.reshape(torch.slice(rows, 3, left, torch.add(left, right), stride[1]), [samples, channels, -1])
          here = torch.select(total, 0, torch.add(torch.mul(row, kernel[1]), column))
          for i in range(chunks):
            first = torch.mul(i, chunk)
            last = torch.add(first, chunk)
            products = torch.bmm(torch.slice(flat, 0, first, last, 1), torch.transpose(torch.slice(slices, 0, first, last, 1), 1, 2))
            _0 = torch.add_(here, torch.sum(torch.mul_(products, products), [0]))
      squares = torch.permute(total, [1, 2, 0])
    else:
      flat0 = torch.reshape(gradient, [samples, filters, -1])
      squares0 = torch.zeros([filters, torch.mul(channels, positions)], dtype=ops.prim.dtype(gradient), device=ops.prim.device(gradient))
      for i0 in range(chunks):
        first0 = torch.mul(i0, chunk)
        last0 = torch.add(first0, chunk)
        columns = torch.im2col(torch.slice(input, 0, first0, last0, 1), kernel, dilation, padding, stride)
        products0 = torch.bmm(torch.slice(flat0, 0, first0, last0, 1), torch.transpose(columns, 1, 2))
        _1 = torch.add_(squares0, torch.sum(torch.mul_(products0, products0), [0]))
      squares = squares0
    return squares
