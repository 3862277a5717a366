class ConvolutionSquares(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  def forward(self: __torch__.ConvolutionSquares,
    input: Tensor,
    gradient: Tensor,
    settings: Tensor) -> Tensor:
    rows = int(torch.select(settings, 0, 0))
    columns = int(torch.select(settings, 0, 1))
    down = int(torch.select(settings, 0, 2))
    right = int(torch.select(settings, 0, 3))
    above = int(torch.select(settings, 0, 4))
    beside = int(torch.select(settings, 0, 5))
    apart = int(torch.select(settings, 0, 6))
    aside = int(torch.select(settings, 0, 7))
    groups = int(torch.select(settings, 0, 8))
    form = int(torch.select(settings, 0, 9))
    chunk = int(torch.select(settings, 0, 10))
    samples = torch.size(gradient, 0)
    filters = torch.size(gradient, 1)
    height = torch.size(gradient, 2)
    width = torch.size(gradient, 3)
    positions = torch.mul(rows, columns)
    filters_each = torch.floordiv(filters, groups)
    channels_each = torch.floordiv(torch.size(input, 1), groups)
    chunks = torch.floordiv(torch.sub(torch.add(samples, chunk), 1), chunk)
    step = torch.mul(chunk, groups)
    if torch.eq(form, 0):
      flat = torch.reshape(gradient, [torch.mul(samples, groups), filters_each, -1])
      squares = torch.zeros([filters, torch.mul(channels_each, positions)], dtype=ops.prim.dtype(gradient), device=ops.prim.device(gradient))
      for i in range(chunks):
        unfolded = torch.im2col(torch.slice(input, 0, torch.mul(i, chunk), torch.mul(torch.add(i, 1), chunk), 1), [rows, columns], [apart, aside], [above, beside], [down, right])
        grouped = torch.reshape(unfolded, [-1, torch.mul(channels_each, positions), torch.mul(height, width)])
        first = torch.mul(i, step)
        products = torch.bmm(torch.slice(flat, 0, first, torch.add(first, step), 1), torch.transpose(grouped, 1, 2))
        _0 = torch.add_(squares, torch.sum(torch.reshape(torch.mul_(products, products), [-1, filters, torch.mul(channels_each, positions)]), [0]))
    else:
      total = torch.zeros([positions, filters, channels_each], dtype=ops.prim.dtype(gradient), device=ops.prim.device(gradient))
      padded = torch.constant_pad_nd(input, [beside, beside, above, above], 0)
      wide = torch.size(padded, 3)
      lines = torch.add(torch.mul(torch.sub(height, 1), down), 1)
      across = torch.add(torch.mul(torch.sub(width, 1), right), 1)
      if torch.eq(form, 2):
        widened = torch.constant_pad_nd(gradient, [0, torch.sub(wide, width), 0, 0], 0)
        length = torch.add(torch.mul(torch.sub(height, 1), wide), width)
        g = torch.slice(torch.reshape(widened, [torch.mul(samples, groups), filters_each, -1]), 2, 0, length, 1)
        a = torch.reshape(padded, [torch.mul(samples, groups), channels_each, -1])
      else:
        length = 0
        g = torch.reshape(gradient, [torch.mul(samples, groups), filters_each, -1])
        a = padded
      for row in range(rows):
        top = torch.mul(row, apart)
        for column in range(columns):
          left = torch.mul(column, aside)
          if torch.eq(form, 2):
            start = torch.add(torch.mul(top, wide), left)
            met = torch.slice(a, 2, start, torch.add(start, length), 1)
          else:
            band = torch.slice(a, 2, top, torch.add(top, lines), down)
            met = torch.reshape(torch.slice(band, 3, left, torch.add(left, across), right), [torch.mul(samples, groups), channels_each, -1])
          here = torch.select(total, 0, torch.add(torch.mul(row, columns), column))
          for j in range(chunks):
            from_ = torch.mul(j, step)
            products0 = torch.bmm(torch.slice(g, 0, from_, torch.add(from_, step), 1), torch.transpose(torch.slice(met, 0, from_, torch.add(from_, step), 1), 1, 2))
            summed = torch.sum(torch.reshape(torch.mul_(products0, products0), [-1, filters, channels_each]), [0])
            _1 = torch.add_(here, summed)
      squares = torch.permute(total, [1, 2, 0])
    return squares
