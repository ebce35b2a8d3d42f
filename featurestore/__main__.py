"""`python -m featurestore` is `featurestore`."""

from featurestore.cli import main

if __name__ == "__main__":
    main()
