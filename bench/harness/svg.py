"""Drawing by hand: shapes and text in colours that suit light and dark."""

from html import escape

STYLE = """
svg.plot { --paper: #fbfaf7; --ink: #1d1c1a; --soft: #6d6962; --rule: #e4e0d8;
  --ours: #17695f; --floor: #a8a197; --peer: #b3701a; --second: #2f5f98; --third: #8a4f9e;
  font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "DejaVu Sans", sans-serif;
  font-variant-numeric: tabular-nums; }
@media (prefers-color-scheme: dark) { svg.plot { --paper: #141516; --ink: #e9e6e0; --soft: #9a958d; --rule: #2e2f32;
  --ours: #6cc7b8; --floor: #66625c; --peer: #e0ac55; --second: #86b4ec; --third: #c79bdb; } }
svg.plot .paper { fill: var(--paper); } svg.plot text { fill: var(--ink); } svg.plot .soft { fill: var(--soft); }
svg.plot .title { font-weight: 600; font-size: 14px; } svg.plot .small { font-size: 11.5px; }
svg.plot .rule { stroke: var(--rule); stroke-width: 1; } svg.plot .whisker { stroke: var(--ink); stroke-width: 1.2; opacity: .75; }
svg.plot .curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
""" + "".join(f"svg.plot .fill-{name} {{ fill: var(--{name}); }} svg.plot .line-{name} {{ stroke: var(--{name}); }}\n"
              for name in ("ours", "floor", "peer", "second", "third"))


class Svg:
    """With a heading of so many pixels, which a page that has one of its own leaves out."""

    def __init__(self, width, height, label, heading=38):
        self.width, self.height, self.label, self.heading = width, height, label, heading
        self.parts = []

    def text(self, x, y, text, classes="", anchor="start"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">{escape(text)}</text>')

    def bar(self, x, y, width, height, name, hint):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" rx="2" '
                          f'class="fill-{name}"><title>{escape(hint)}</title></rect>')

    def line(self, x1, y1, x2, y2, classes):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{classes}"/>')

    def curve(self, points, name):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" class="curve line-{name}"/>')

    def drawn(self, is_alone):
        """As a file of its own, or for a page that has the style and the heading already."""
        top, style = (0, f"<style>{STYLE}</style>") if is_alone else (self.heading, "")
        title = f'<text x="20" y="28" class="title">{escape(self.label)}</text>' if is_alone else ""
        height = self.height - top
        return (f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 {top} {self.width} {height}" '
                f'width="{self.width}" height="{height}" role="img" aria-label="{escape(self.label, quote=True)}">'
                f'{style}<rect class="paper" y="{top}" width="{self.width}" height="{height}" rx="8"/>'
                f"{title}{''.join(self.parts)}</svg>\n")
