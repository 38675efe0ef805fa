"""Records the apology that is played when every voice has failed, once per language, with espeak-ng and sox.

`python docs/record_apologies.py` writes `voicecall/speech/tts/apologies/<language>.ulaw` of the phrase `voice_failed`.
Needs the programs espeak-ng and sox. Any recording of a few seconds will do, as raw mu-law at 8 kHz.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from voicecall.call.phrases import LANGUAGES  # noqa: E402  the repository must be on the path first

FOLDER = ROOT / "voicecall" / "speech" / "tts" / "apologies"
VOICES = {"en": "en-us", "fr": "fr-fr", "zh": "cmn"}
# espeak-ng reads no kanji.
READINGS = {
    "ja": "もうしわけ ございません。ただいま おんせいに ふぐあいが ございます。のちほど もういちど おためし ください。"
}
TRIMMED = "silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.06 0.1"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        wav = f"{scratch}/apology.wav"
        for language, phrases in LANGUAGES.items():
            text = READINGS.get(language, str(phrases.voice_failed))
            voice = f"{VOICES.get(language, language)}+f3"
            _run("espeak-ng", "-v", voice, "-s", "150", "-p", "45", "-w", wav, text)
            target = FOLDER / f"{language}.ulaw"
            shape = ["-r", "8000", "-c", "1", "-e", "mu-law", "-t", "raw"]
            _run("sox", "-G", wav, *shape, str(target), "rate", "-h", "norm", "-6", *TRIMMED.split())
            sys.stdout.write(f"{target.relative_to(ROOT)}: {target.stat().st_size / 8000:.1f} s\n")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)  # noqa: S603  the commands above


if __name__ == "__main__":
    main()
