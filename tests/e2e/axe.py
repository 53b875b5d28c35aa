"""axe-core on an open page: what it finds, in the colours of the day and of the night."""

from pathlib import Path

import axe_playwright_python

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
RUN = """
given => axe.run(document, {resultTypes: ["violations"], ...given}).then(({violations}) => violations.map(
  ({id, impact, nodes}) => `${id} (${impact}): ` + nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(" | ")
))
"""
# All that another colour scheme can change.
OF_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
# WCAG 2.2 AA has it, axe's own choice does not. What a bar covers counts as small: for pages that are seen whole.
WITH_SIZES = {"rules": {"target-size": {"enabled": True}}}


def violations(page, options: dict | None = None) -> list[str]:
    """What axe finds as the page stands, by axe's own choice of rules or with other options of `axe.run`."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    # A colour on its way to another is neither.
    page.wait_for_function(
        "() => !document.getAnimations().some(animation => animation instanceof CSSTransition)"
    )
    return page.evaluate(RUN, options or {})


def set_scheme(page, scheme: str) -> None:
    """The colour scheme of the device, which the page follows at once."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_function(
        "scheme => document.documentElement.dataset.mantineColorScheme === scheme", arg=scheme
    )


def violations_by_day_and_night(page) -> list[str]:
    """All rules in light; then, on the page as it stands, those in dark that colours can break. Leaves it light."""
    found = violations(page, WITH_SIZES)
    set_scheme(page, "dark")
    found += [f"dark: {problem}" for problem in violations(page, OF_COLOURS)]
    set_scheme(page, "light")
    return found
