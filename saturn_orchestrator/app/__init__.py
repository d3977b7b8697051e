"""One use case a file, each read top to bottom. The screen and the keyboard are handed in; nothing here knows them."""
