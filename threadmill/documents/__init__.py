"""Any corpus as documents of sentences: text files, folders of them, text corpora and conversations datasets."""
