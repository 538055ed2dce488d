"""Charts as SVG text, drawn on the server: for the console, and for reports that are one file.

::

    charts.areas(times, [charts.Series("live", sizes), charts.Series("trash", others)], title="Storage", unit=charts.Unit.BYTES)

No script, no inline style (a Content-Security-Policy of ``style-src 'self'`` holds), nothing from elsewhere. Colours are
classes whose rules are :data:`STYLE`, which a page has in its style sheet; without them a chart is still whole, in its light
colours. Text is escaped. A chart is :class:`Svg`, which templates take as it is.

A chart has a title and a description for those who do not see it. The figures as a table beside it are the page's to give.
Text in an SVG shrinks with it: what is to be read on a telephone is drawn by :func:`fitted` for several widths, of which the
style sheet shows one.
"""

from careen.charts.areas import areas as areas
from careen.charts.bars import Bar as Bar
from careen.charts.bars import bars as bars
from careen.charts.lines import Band as Band
from careen.charts.lines import lines as lines
from careen.charts.plot import Series as Series
from careen.charts.shares import Share as Share
from careen.charts.shares import shares as shares
from careen.charts.sparkline import sparkline as sparkline
from careen.charts.style import STYLE as STYLE
from careen.charts.svg import Svg as Svg
from careen.charts.svg import fitted as fitted
from careen.charts.units import Unit as Unit
from careen.charts.units import written as written
