"""Records what Whisper's own feature extraction gives, as the reference of `test_log_mel.py`.

    python -m venv oracle && oracle/bin/pip install transformers numpy
    oracle/bin/python tests/audio/record_log_mel.py

Recorded with transformers 5.24.0 and numpy 2.4.6. Every eighth frame is kept, to save space.
"""

from pathlib import Path

import numpy as np

REFERENCE = Path(__file__).parent.parent / "data" / "log_mel.npz"
EVERY = 8


def wave(seconds: float) -> np.ndarray:
    """A voice-like sound at 16 kHz: a gliding pitch with overtones that comes in syllables, and hiss."""
    t = np.arange(int(16000 * seconds)) / 16000
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / 16000
    tone = sum(np.sin(n * pitch) / n for n in range(1, 40))
    syllables = np.clip(np.sin(2 * np.pi * 3.1 * t), 0, None) ** 0.5
    hiss = np.random.default_rng(5).normal(0, 1e-3, len(t))
    return (0.2 * tone * syllables + hiss).astype(np.float32)


WAVES = {"long": 9.5, "full": 8.0, "short": 2.7}


def main() -> None:
    from transformers import WhisperFeatureExtractor

    extract = WhisperFeatureExtractor(chunk_length=8)
    recorded = {}
    for name, seconds in WAVES.items():
        newest = wave(seconds)[-128_000:]
        whole = np.pad(newest, (128_000 - len(newest), 0))
        features = extract(whole, sampling_rate=16_000, return_tensors="np", do_normalize=True)["input_features"][0]
        assert features.shape == (80, 800)
        recorded[name] = features[:, ::EVERY].astype(np.float32)
    np.savez_compressed(REFERENCE, **recorded)


if __name__ == "__main__":
    main()
