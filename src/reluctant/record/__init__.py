"""The nouns, and the store that keeps them on disk. Knows nothing of torch.

`info` and `folder` also work without numpy: they are needed before a script starts.
"""
