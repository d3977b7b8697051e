"""What a person or a program sees of a run. The only importer of rich: values come in, text goes out."""
