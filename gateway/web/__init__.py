"""The gateway's pages: the console, and what it shares with other pages (`common`).

Plain ES modules and style sheets, served as they are: no build step, nothing from elsewhere. `assets` serves them.
"""
