"""The files of `deploy/`: judged by the programs that read them, and by what the product really serves."""
