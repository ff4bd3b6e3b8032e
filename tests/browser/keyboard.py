"""The same walk with Tab, arrows, Space and Enter alone; the focus must be seen at every stop."""

from __future__ import annotations

from playwright.sync_api import Locator

from tests.browser.walk import Walk

LONGEST_WAY = 60

# What is wrong with the focus as it shows now.
FOCUS = """() => {
  const one = document.activeElement;
  if (one === document.body) return "";
  const style = getComputedStyle(one), box = one.getClientRects()[0];
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 3) return `no ring: ${one.outerHTML}`;
  const is_inside = box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth;
  if (!is_inside) return `not in sight: ${one.outerHTML}`;
  const on_top = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return one.contains(on_top) ? "" : `covered: ${one.outerHTML}`;
}"""


class KeyboardWalk(Walk):
    """The mouse stays where it is."""

    def _tab(self) -> None:
        self.page.keyboard.press("Tab")
        assert self.page.evaluate(FOCUS) == ""

    def _reach(self, target: Locator) -> None:
        wanted = target.element_handle()
        for _ in range(LONGEST_WAY):
            if self.page.evaluate("wanted => document.activeElement === wanted", wanted):
                return
            self._tab()
        raise AssertionError(f"Tab never came to {target}")

    def fill(self, name: str, value: str) -> None:
        self.fields += 1
        self._reach(self.page.locator(f"input[name={name}]"))
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(value)

    def choose(self, name: str, value: str) -> None:
        """A box is ticked with Space; among radio buttons the arrows choose."""
        self.activations += 1
        target = self.page.locator(f"input[name={name}][value={value}]")
        group = self.page.locator(f"input[name={name}]")
        start = group.and_(self.page.locator(":checked")) if group.count() > 1 else target
        self._reach(start if start.count() else group.first)
        self.page.keyboard.press("Space")
        for _ in range(group.count()):
            if target.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
        assert target.is_checked()

    def _activate(self, target: Locator) -> None:
        self._reach(target)
        self.page.keyboard.press("Space" if target.evaluate("one => one.localName") == "button" else "Enter")
