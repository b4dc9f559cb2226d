"""The record on disk, in one place: the version, the tables, and what each column means.

A run is a folder:

    run.json        what ran (RunInfo), rewritten once when the run ends
    rank-0.sqlite   what was observed; one file per rank, write-ahead log, each sample whole
                    or not at all, so that a run killed at any moment is readable up to the
                    last that was written: all but a moment's
    logged.jsonl    what the script said of itself by `reluctant.log`: a line each time, as
                    {"step": 3, "values": {"accuracy": 0.97}}; what is not finite is a string
    rank-1.failure  why rank 1 observed no further, if our own observation failed there; that
                    of rank 0 is in run.json

Several ranks find one another by hidden files beside these, which a reader has no use for.

Per-unit columns are blobs of little-endian numbers, one for every `stride`-th unit: float32, except
`fired`, whose counts are unsigned and as wide as the largest needs (1, 2, 4 or 8 bytes, which
follows from the blob's length). Statistics are therefore kept to float32's 24 bits, counts exactly.
A `histogram` begins with a byte that says how wide its counts are; they are of those bins of
record/histogram.py around zero that hold any, as many on either side.
What is written at the end is float32 too, and of all units.
"""

# Raised whenever a table or the meaning of a column changes. A reader refuses what is newer.
VERSION = 6

INFO = "run.json"
LOGGED = "logged.jsonl"


def part(rank: int) -> str:
    """The name of the file that `rank` writes."""
    return f"rank-{rank}.sqlite"


def failure(rank: int) -> str:
    """The name of the file in which `rank` says why it observed no further."""
    return f"rank-{rank}.failure"


TABLES = """
CREATE TABLE layer (
  id        INTEGER PRIMARY KEY,  -- Layer.index
  name      TEXT NOT NULL,        -- module path, as `features.0`; '' for the root itself
  root      TEXT NOT NULL,        -- the outermost module that owns it; '' if none does
  kind      TEXT NOT NULL,        -- the owning module's class, as `Linear`; `matrix` if none
  shape     TEXT NOT NULL,        -- of the weight, a JSON list
  units     INTEGER NOT NULL,     -- how many rows (output channels) it has
  position  INTEGER NOT NULL,     -- its place among the model's parameters
  stride    INTEGER NOT NULL      -- every which row is read: 1, more in very large networks
);

CREATE TABLE function (
  id        INTEGER PRIMARY KEY,  -- Function.index
  name      TEXT NOT NULL,        -- as in the catalogue, `leaky_relu`
  facts     TEXT NOT NULL         -- JSON: the rest of Function's fields
);

CREATE TABLE site (
  id        INTEGER PRIMARY KEY,  -- Site.index; also its place in the first forward pass
  name      TEXT NOT NULL,        -- `module path:function#call`, without the root
  root      TEXT NOT NULL,        -- the outermost module on the call stack; '' if none
  function  INTEGER NOT NULL REFERENCES function(id),
  layer     INTEGER REFERENCES layer(id),  -- the weight layer that feeds it
  units     INTEGER NOT NULL,     -- channels of its input
  aligned   INTEGER NOT NULL,     -- 1 if those channels are the layer's units
  inside    INTEGER NOT NULL,     -- 1 if the model that owns the layer made the call
  stride    INTEGER NOT NULL      -- every which unit is read
);

CREATE TABLE feeds (              -- a site's output reaches a layer, no other layer between
  site      INTEGER NOT NULL REFERENCES site(id),
  layer     INTEGER NOT NULL REFERENCES layer(id),
  PRIMARY KEY (site, layer)
);

CREATE TABLE sample (
  id        INTEGER PRIMARY KEY,  -- Sample.index
  step      INTEGER NOT NULL,     -- of the optimizer that closed the sample, from 0
  optimizer INTEGER NOT NULL,     -- which one, by order of first step
  loss      REAL,                 -- mean of the scalars that backward() was called on; 'nan'
  rate      REAL,                 -- learning rate of the optimizer's first group
  seconds   REAL NOT NULL,        -- since the script started
  optimizers INTEGER NOT NULL,    -- how many different ones had stepped by then
  skipped   INTEGER NOT NULL,     -- 1 if a gradient scaler left the step out
  observing REAL                  -- seconds that observation had cost by then
);

CREATE TABLE site_sample (        -- SiteSeries: one row a site and sample
  sample    INTEGER NOT NULL REFERENCES sample(id),
  site      INTEGER NOT NULL REFERENCES site(id),
  inputs    INTEGER NOT NULL,     -- examples observed
  vals      INTEGER NOT NULL,     -- numbers observed of each unit
  histogram BLOB,                 -- HistogramSeries: counts around zero; NULL if not counted
  fired     BLOB NOT NULL,        -- counts: values outside the function's flat region
  mean      BLOB NOT NULL,        -- of the pre-activation
  std       BLOB NOT NULL,        -- of the pre-activation, population
  low       BLOB NOT NULL,        -- smallest pre-activation
  high      BLOB NOT NULL,        -- largest pre-activation
  gradient_in  BLOB,              -- rms of the loss gradient at the function's input
  gradient_out BLOB,              -- rms of the loss gradient at the function's output
  PRIMARY KEY (site, sample)
);

CREATE TABLE layer_sample (       -- LayerSeries: one row a layer and sample
  sample    INTEGER NOT NULL REFERENCES sample(id),
  layer     INTEGER NOT NULL REFERENCES layer(id),
  gradient  BLOB NOT NULL,        -- norm of each row of the weight's gradient
  weight    BLOB NOT NULL,        -- norm of each row before the step
  updated   BLOB NOT NULL,        -- |change| / |row| in the step, NaN for a zero row
  bias      BLOB,                 -- each unit's bias before the step
  first     INTEGER NOT NULL,     -- which of the layer's read rows the blobs begin with
  PRIMARY KEY (layer, sample)
);

CREATE TABLE output (             -- a site's output reaches the loss, no layer between
  site      INTEGER PRIMARY KEY REFERENCES site(id)
);

CREATE TABLE parameter (          -- Parameter
  name      TEXT NOT NULL,        -- path, as `features.0.weight`, without the root
  root      TEXT NOT NULL,        -- the outermost module that owns it; '' if none does
  shape     TEXT NOT NULL,        -- a JSON list
  optimized INTEGER NOT NULL,     -- 1 if an optimizer has it
  wanted    INTEGER NOT NULL,     -- 1 if it has asked for gradients
  used      INTEGER NOT NULL,     -- 1 if a training pass computes with it and keeps the result
  gradient  INTEGER,              -- the first sample in which it had a gradient
  PRIMARY KEY (root, name)
);

CREATE TABLE head (               -- a place where a loss function of torch is called
  id        INTEGER PRIMARY KEY,  -- Head.index
  function  TEXT NOT NULL,        -- its name, as `cross_entropy`
  site      INTEGER REFERENCES site(id),  -- whose output it is given, no layer between
  behind    TEXT NOT NULL         -- what else squashes its input, as `softmax`; '' if nothing
);

CREATE TABLE input_sample (       -- InputSeries: data that reach a layer; NULL is NaN
  sample    INTEGER NOT NULL REFERENCES sample(id),
  layer     INTEGER NOT NULL REFERENCES layer(id),
  mean      REAL,                 -- of all numbers
  std       REAL,
  low       REAL,
  high      REAL,
  constant  REAL,                 -- share of the features that did not vary in the batch
  least     REAL,                 -- smallest standard deviation of a feature that did
  most      REAL,                 -- largest
  offset    REAL,                 -- largest |mean| of a feature, in its standard deviations
  PRIMARY KEY (layer, sample)
);

CREATE TABLE head_sample (        -- HeadSeries: the head's first call in a sample; NULL is NaN
  sample    INTEGER NOT NULL REFERENCES sample(id),
  head      INTEGER NOT NULL REFERENCES head(id),
  output_mean REAL,               -- of its first argument
  output_std  REAL,
  output_low  REAL,
  output_high REAL,
  target_mean REAL,               -- of its target, if that is no class
  target_std  REAL,
  target_low  REAL,
  target_high REAL,
  loss      REAL,                 -- what it returned
  constant  REAL,                 -- the loss of the best answer that is the same for all
  correct   REAL,                 -- share of the examples that are told their class
  commonest REAL,                 -- share of those of the commonest class
  PRIMARY KEY (head, sample)
);

CREATE TABLE intervention (       -- Intervention; written again once it has been judged
  id        INTEGER PRIMARY KEY,  -- Intervention.index
  step      INTEGER NOT NULL,     -- how many steps were over
  remedy    TEXT NOT NULL,        -- as `revive`
  finding   TEXT NOT NULL,        -- what it was for: the slug, and that of its cause
  cause     TEXT NOT NULL,
  layer     TEXT,                 -- the layer's full name; NULL for the run as a whole
  units     INTEGER,              -- how many units of it; NULL if it was not about units
  measure   TEXT NOT NULL,        -- the name of the number that tells its effect
  before    REAL NOT NULL,
  predicted REAL NOT NULL,
  after     REAL,                 -- NULL until it is judged
  kept      INTEGER,              -- 1, 0 if undone or refused, NULL until it is judged
  text      TEXT NOT NULL         -- why it was undone or refused; '' otherwise
);

-- The rest is written once, when the run has ended.

CREATE TABLE way (                -- Way
  site      INTEGER PRIMARY KEY REFERENCES site(id),
  source    INTEGER REFERENCES site(id),  -- whose output it begins with; NULL for data
  links     TEXT NOT NULL,        -- a JSON list of [kind, number]
  obstacle  TEXT NOT NULL         -- why these are not all; '' if they are
);

CREATE TABLE last_weight (        -- Weights: of the layers on those ways
  layer     INTEGER PRIMARY KEY REFERENCES layer(id),
  shape     TEXT NOT NULL,        -- units, inputs of a unit, taps: a JSON list
  weight    BLOB,                 -- of that shape; NULL if too large, or gone
  bias      BLOB,                 -- one for each unit
  rounding  REAL NOT NULL         -- unit roundoff of the arithmetic
);

CREATE TABLE fed_limits (            -- of the data that a layer on those ways was fed
  layer     INTEGER PRIMARY KEY REFERENCES layer(id),
  low       BLOB NOT NULL,        -- the least of each feature in all samples
  high      BLOB NOT NULL         -- the most
);
"""
