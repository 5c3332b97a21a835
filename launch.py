"""The command from a clone: python launch.py --config=configs/x.py --config.field=value --workdir=DIR --job=JOB."""

import sys

from mtl.cli import main

if __name__ == "__main__":
    sys.exit(main())
