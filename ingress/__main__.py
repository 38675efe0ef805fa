"""`python -m ingress`: the public door, configured by VOICECALL_CONFIG and the environment."""

import os
import sys

from ingress.app import main

if __name__ == "__main__":
    sys.exit(main(os.environ))
