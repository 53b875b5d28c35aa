"""A phone: narrow, mobile, worked by touch."""

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def fits(page) -> bool:
    """Whether nothing makes the page scroll sideways."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def drag_by_finger(page, source, target) -> None:
    """A finger rests on `source`, carries it to `target` and lets go: real touch events of the browser."""
    source.scroll_into_view_if_needed()
    begin, end = source.bounding_box(), target.bounding_box()
    x, y = begin["x"] + begin["width"] / 2, begin["y"] + begin["height"] / 2
    to_x, to_y = end["x"] + end["width"] * 0.6, end["y"] + end["height"] / 2
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: dict) -> None:
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": list(points)})

    touch("touchStart", {"x": x, "y": y})
    page.wait_for_timeout(260)  # what is touched for less is scrolled
    for step in range(1, 9):
        touch("touchMove", {"x": x + (to_x - x) * step / 8, "y": y + (to_y - y) * step / 8})
    touch("touchEnd")
    finger.detach()
