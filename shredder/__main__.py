"""`python -m shredder` is the `shredder` command."""

from shredder.cli import main

if __name__ == "__main__":
    main()
