"""`python -m p4d`, the command of every stage in dvc.yaml: the same as `p4d`."""

from p4d.cli import main

if __name__ == "__main__":
    main()
