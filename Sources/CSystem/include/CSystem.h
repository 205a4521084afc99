// System calls that Swift does not import well.
