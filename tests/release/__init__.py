"""What a user gets: the wheel and the source distribution, and Binder, each in an environment that has nothing else."""
