"""The only reader of `ConfigDict`."""

from mtl.config.bench import read_bench as read_bench
from mtl.config.check import check_value as check_value
from mtl.config.check import check_values as check_values
from mtl.config.fields import check_field as check_field
from mtl.config.fields import name_field as name_field
from mtl.config.fields import split_names as split_names
from mtl.config.read import of_run as of_run
from mtl.config.read import order_methods as order_methods
from mtl.config.read import read_data as read_data
from mtl.config.read import read_run as read_run
from mtl.config.read import read_study as read_study
from mtl.config.read import single_run as single_run
from mtl.config.rules import METHODS as METHODS
from mtl.config.rules import RULES as RULES
