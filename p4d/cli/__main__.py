"""`python -m p4d.cli`, for launchers that start a module."""

from p4d.cli.app import main

if __name__ == "__main__":
    main()
