"""`python -m reluctant` is `reluctant`."""

from reluctant.cli import main

if __name__ == "__main__":
    main()
