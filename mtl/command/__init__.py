"""The command line.

configurations   which configuration it names, and what it sets in it
flags            all flags, and the command that they make
jobs             what each job calls
"""
