"""Dropped Scheduled Task: metrics, Algorithm 1, gates and masks."""

from mtl.dst.extensions import EXTENSIONS as EXTENSIONS
from mtl.dst.extensions import Extension as Extension
from mtl.dst.extensions import Seen as Seen
from mtl.dst.gates import mask as mask
from mtl.dst.gates import sample_gates as sample_gates
from mtl.dst.metrics import PerTask as PerTask
from mtl.dst.metrics import Weights as Weights
from mtl.dst.metrics import activation_probability as activation_probability
from mtl.dst.metrics import global_rates as global_rates
from mtl.dst.metrics import incompleteness as incompleteness
from mtl.dst.metrics import incompleteness_ratio as incompleteness_ratio
from mtl.dst.metrics import local_rates as local_rates
from mtl.dst.metrics import mean as mean
from mtl.dst.metrics import relative_to_largest as relative_to_largest
from mtl.dst.metrics import stagnancy as stagnancy
from mtl.dst.schedule import Account as Account
from mtl.dst.schedule import State as State
from mtl.dst.schedule import Static as Static
from mtl.dst.schedule import check as check
from mtl.dst.schedule import update as update
