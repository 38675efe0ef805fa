"""`python -m voicecall.cli`: the same as the `voicecall` command."""

from voicecall.cli import main

main()
