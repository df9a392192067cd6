"""One engineer's work: wishes become plans and runs of cells, receipts become entries of the timeline."""
