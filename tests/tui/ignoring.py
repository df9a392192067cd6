"""The scripted program, started as ``nohup`` starts one: hang-ups are ignored."""

from __future__ import annotations

import signal

from tests.tui.scripted import main

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    main()
