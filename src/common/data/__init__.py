"""The book's data: generated tasks, digits, series, text, and checked downloads.

Everything the notebooks need by default is generated here or comes with scikit-learn and statsmodels; nothing
is downloaded unless `download.fetch` is called. `import common.data` itself loads NumPy and the standard
library only: scikit-learn, statsmodels, pooch and tqdm are imported by the functions that need them.

Arrays are time-major, (T, B, D): step, sequence of the batch, feature. One name for one thing: `length` is T,
`batch` is B, `rng` is a whole number (a seed: the same data every time) or a `numpy.random.Generator` (drawn
from, so that the next call gives new data). In a training loop pass a generator.
"""

from common.data import digits, download, generators, series, text

__all__ = ["digits", "download", "generators", "series", "text"]
