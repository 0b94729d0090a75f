"""``python -m pgslo`` is ``pgslo``."""

from pgslo.cli import main

if __name__ == "__main__":
    main(prog_name="pgslo")
