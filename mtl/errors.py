"""What a user's mistake raises."""


class UserError(Exception):
    """A mistake in the command, the configuration or the data, said in one sentence.

    The sentence says what is wrong, where, and what to do. `launch.py` prints it and exits with code 2, without a
    traceback. Broken invariants of our own code are `assert`s instead.
    """
