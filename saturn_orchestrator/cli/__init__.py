"""One verb a file, and the only click. A verb translates options into one order and a result into one exit code."""
