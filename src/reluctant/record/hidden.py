"""Which calls of activation functions are hidden activations, and which of them show one layer."""

from reluctant.record.run import Run, Site


def hidden(run: Run) -> tuple[tuple[Site, ...], ...]:
    """The hidden activations in the order of the forward pass, each the sites that show it.

    A call that the model itself did not make and that feeds no layer, as a hinge in a loss,
    is no hidden activation: nothing is to be learnt through it.
    """
    feeding = {site for layer in run.layers for site in layer.inputs}
    together: dict[tuple[object, ...], list[Site]] = {}
    for site in run.sites:
        if site.inside or site.index in feeding:
            # Several calls on one layer's output show the same units more than once.
            shared = site.layer is not None and site.aligned
            key = (site.layer, site.function) if shared else (site.name, site.index)
            together.setdefault(key, []).append(site)
    return tuple(map(tuple, together.values()))
