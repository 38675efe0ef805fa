"""`python -m ingress`: the public server, configured by VOICECALL_CONFIG and the environment."""

import os
import sys

from ingress.app import running_ingress
from voicecall.process import run

if __name__ == "__main__":
    sys.exit(run("ingress", running_ingress, os.environ))
