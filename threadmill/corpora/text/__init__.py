"""Text of any source to a corpus: shards of one sentence a line, with a blank line between documents."""
