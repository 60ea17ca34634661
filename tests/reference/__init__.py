"""Slow, literal versions of the papers in double precision; they use nothing of cnnwidgets."""
