"""What the Makefile, the build hook and the tests share; not part of the library."""
