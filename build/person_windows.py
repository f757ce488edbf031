"""A person before a Windows desktop: keys through SendKeys, the page through UI Automation, which screen readers use.

Written from Microsoft's documentation; nobody has run it there yet.
"""

from __future__ import annotations

import subprocess

from person import eventually

_AUTOMATION = """
$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = [Text.Encoding]::UTF8
Add-Type -AssemblyName UIAutomationClient, UIAutomationTypes, System.Windows.Forms
$root = [Windows.Automation.AutomationElement]::RootElement
$name = [Windows.Automation.AutomationElement]::NameProperty
$isHearth = New-Object Windows.Automation.PropertyCondition($name, 'Hearth')
$window = $root.FindFirst([Windows.Automation.TreeScope]::Children, $isHearth)
if (-not $window) { exit 3 }
"""
_READ = """
$all = $window.FindAll([Windows.Automation.TreeScope]::Descendants, [Windows.Automation.Condition]::TrueCondition)
foreach ($element in $all) { $element.Current.Name }
"""
_CLOSE = "$window.GetCurrentPattern([Windows.Automation.WindowPattern]::Pattern).Close()"
_SPECIAL = str.maketrans({mark: f"{{{mark}}}" for mark in "+^%~(){}[]"})


class WindowsPerson:
    """The one in the session's own desktop."""

    display = ""

    def window(self, *, within_seconds: float = 90) -> str:
        """Waits for the window. Raises TimeoutError."""
        if not eventually(lambda: _run("'there'"), within_seconds=within_seconds, every_seconds=1):
            raise TimeoutError("no window came")
        return "Hearth"

    def types(self, text: str) -> None:
        keys = text.translate(_SPECIAL).replace("'", "''")
        _run(f"$window.SetFocus(); [Windows.Forms.SendKeys]::SendWait('{keys}')")

    def presses_enter(self) -> None:
        _run("[Windows.Forms.SendKeys]::SendWait('{ENTER}')")

    def reads(self) -> str:
        """The names of everything in the window, which for texts are the texts."""
        return _run(_READ)

    def closes_window(self) -> None:
        _run(_CLOSE)


def _run(script: str) -> str:
    command = ["powershell", "-NoProfile", "-NonInteractive", "-Command", _AUTOMATION + script]
    told = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, timeout=60)
    return told.stdout.strip()
