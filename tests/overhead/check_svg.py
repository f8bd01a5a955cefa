"""check_svg.py FILE: well-formed, told in words, and nothing outside the picture."""

import re
import sys
import xml.etree.ElementTree as ElementTree

SVG = "{http://www.w3.org/2000/svg}"

root = ElementTree.parse(sys.argv[1]).getroot()
assert root.tag == SVG + "svg", root.tag
assert root.get("role") == "img"
named = {element.get("id"): element for element in root.iter() if element.get("id")}
for name in root.get("aria-labelledby").split():
    assert named[name].text.strip(), name
assert {named["title"].tag, named["desc"].tag} == {SVG + "title", SVG + "desc"}

left, top, width, height = map(float, root.get("viewBox").split())
bars = [bar for bar in root.iter(SVG + "rect") if bar.get("x")]
assert len(bars) > 20, len(bars)
for bar in bars:
    x, y, w, h = (float(bar.get(name)) for name in ("x", "y", "width", "height"))
    assert left <= x and x + w <= left + width, bar.attrib
    assert top <= y and y + h <= top + height, bar.attrib
    assert w > 0 and h > 0, bar.attrib
for words in root.iter(SVG + "text"):
    assert left <= float(words.get("x")) < left + width, words.text
    assert top < float(words.get("y")) < top + height, words.text

# Every class has a style, also in the dark.
style = root.find(SVG + "style").text
for element in root.iter():
    for name in (element.get("class") or "").split():
        assert re.search(rf"\.{name}\b", style), name
assert "prefers-color-scheme: dark" in style
