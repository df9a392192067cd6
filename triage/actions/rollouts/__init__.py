"""Systems that move a model's traffic between versions, one module each; ``by_kind`` says which serves what."""
