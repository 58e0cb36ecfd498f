//! Which pixels of a feature map a convolution or a pooling reads.

/// For each pixel that is made, a square of pixels that are read. What lies outside the map is not there: zero to a
/// convolution, nothing to a pooling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    kernel: usize,
    stride: usize,
    dilation: usize,
    /// Where the first window begins: the padding, negated.
    start: isize,
}

/// Pixels of one row that the same tap of a window reads one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Position in the window, row by row.
    pub tap: usize,
    /// First pixel made.
    pub output: usize,
    /// First pixel read; the next ones are a stride apart.
    pub input: usize,
    /// Pixels made.
    pub len: usize,
}

impl Window {
    /// A window with its middle on each pixel.
    pub fn centred(kernel: usize) -> Self {
        Self::dilated(kernel, 1)
    }

    /// A window with its middle on each pixel, of pixels `dilation` apart.
    pub fn dilated(kernel: usize, dilation: usize) -> Self {
        let padding = dilation * (kernel - 1) / 2;
        Self { kernel, stride: 1, dilation, start: -padding.cast_signed() }
    }

    /// Windows side by side, which halve a map.
    pub fn halving() -> Self {
        Self { kernel: 2, stride: 2, dilation: 1, start: 0 }
    }

    /// Every second of these windows.
    pub fn strided(self) -> Self {
        Self { stride: 2, ..self }
    }

    /// These windows without the first row and column.
    pub fn shifted(self) -> Self {
        Self { start: self.start + 1, ..self }
    }

    /// Pixels a window reads at most.
    pub fn n_taps(self) -> usize {
        self.kernel * self.kernel
    }

    /// Height and width of what is made of a map.
    pub fn side_out(self, side: usize) -> usize {
        let padding = -self.start.min(0);
        let reach = (self.dilation * (self.kernel - 1)).cast_signed();
        let last_start = side.cast_signed() - 1 + padding - reach;
        (last_start - self.start).unsigned_abs() / self.stride + 1
    }

    /// Everything that is read of one map, ascending in tap.
    pub fn runs(self, side: usize) -> Vec<Run> {
        let side_out = self.side_out(side);
        let mut runs = Vec::with_capacity(self.n_taps() * side_out);
        for tap in 0..self.n_taps() {
            let (row, column) = (tap / self.kernel, tap % self.kernel);
            let columns = self.inside(column, side);
            // A tap of a window that is wider than the map may be outside for every pixel.
            for row_out in self.inside(row, side).filter(|_| !columns.is_empty()) {
                runs.push(Run {
                    tap,
                    output: row_out * side_out + columns.start,
                    input: self.read_at(row, row_out) * side + self.read_at(column, columns.start),
                    len: columns.len(),
                });
            }
        }
        runs
    }

    /// Which pixel of a map each tap reads for each pixel that is made, `taps * pixels made`; one past the last pixel
    /// stands for what is outside.
    pub fn pixels_read(self, side: usize) -> Vec<u32> {
        let n_pixels_out = self.side_out(side).pow(2);
        let mut read = vec![(side * side) as u32; self.n_taps() * n_pixels_out];
        for run in self.runs(side) {
            let made = &mut read[run.tap * n_pixels_out + run.output..][..run.len];
            for (index, pixel) in made.iter_mut().enumerate() {
                *pixel = (run.input + index * self.stride) as u32;
            }
        }
        read
    }

    /// Rows (or columns) that are made for which row `offset` of the window is inside the map.
    fn inside(self, offset: usize, side: usize) -> std::ops::Range<usize> {
        let is_inside = |made: &usize| {
            let read = self.start + (made * self.stride + offset * self.dilation).cast_signed();
            (0..side.cast_signed()).contains(&read)
        };
        let mut inside = (0..self.side_out(side)).filter(is_inside);
        inside.next().map_or(0..0, |first| first..inside.next_back().unwrap_or(first) + 1)
    }

    /// Row (or column) that row `offset` of the window for `made` reads.
    fn read_at(self, offset: usize, made: usize) -> usize {
        (made * self.stride + offset * self.dilation).saturating_add_signed(self.start)
    }

    /// Hands each pixel made in a run to `take`, with the one it reads.
    #[inline]
    pub fn gather<T: Copy>(self, run: Run, input: &[T], output: &mut [T], take: impl Fn(&mut T, T)) {
        let made = &mut output[run.output..][..run.len];
        if self.stride == 1 {
            made.iter_mut().zip(&input[run.input..][..run.len]).for_each(|(made, read)| take(made, *read));
        } else {
            let read = input[run.input..].iter().step_by(self.stride);
            made.iter_mut().zip(read).for_each(|(made, read)| take(made, *read));
        }
    }

    /// The other way round: hands each pixel read in a run to `take`, with the one that is made of it.
    #[inline]
    pub fn scatter<T: Copy>(self, run: Run, output: &[T], input: &mut [T], take: impl Fn(&mut T, T)) {
        let made = &output[run.output..][..run.len];
        if self.stride == 1 {
            made.iter().zip(&mut input[run.input..][..run.len]).for_each(|(made, read)| take(read, *made));
        } else {
            let read = input[run.input..].iter_mut().step_by(self.stride);
            made.iter().zip(read).for_each(|(made, read)| take(read, *made));
        }
    }
}
