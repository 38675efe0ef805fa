"""`python -m voicecall.cli`: the `voicecall` command."""

from voicecall.cli import main

main()
