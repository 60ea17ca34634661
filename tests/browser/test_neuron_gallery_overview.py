"""NeuronGallery's overview in real JupyterLab: every channel of a layer as a row, and only the rows in view."""

from __future__ import annotations

from tests.browser.gallery import open_gallery

# Scrolls to a place and counts the frames until the rows in view are there; at most a second's.
SCROLL = """async (root, top) => {
  const pane = root.querySelector('.cnnw-rows');
  const shows = () => [...root.querySelectorAll('.cnnw-row')].some((row) => {
    const { top: above, bottom } = row.getBoundingClientRect();
    const { top: edge } = pane.getBoundingClientRect();
    return above <= edge + 1 && bottom > edge && row.hasAttribute('data-there');
  });
  const start = performance.now();
  pane.scrollTop = top;
  let frames = 0;
  do {
    await new Promise((done) => requestAnimationFrame(done));
    frames++;
  } while (!shows() && frames < 60);
  return [frames, performance.now() - start];
}"""
ROW = 68  # CSS pixels


def open_overview(notebook):
    gallery = open_gallery(notebook, change="gallery.channel = 7")
    gallery.choose("Whole layer")
    gallery.wait_python("gallery.view == 'overview'")
    gallery.wait_rows()
    return gallery


def test_scroll_through_a_layer(notebook):
    gallery = open_overview(notebook)
    channels = gallery.python("index.layer(gallery.layer).shape[0]")
    assert channels == 64
    assert 7 in gallery.channels()
    assert len(gallery.channels()) < 12
    for top in (30 * ROW, 0, 55 * ROW):
        gallery.rows.evaluate("(rows, top) => { rows.scrollTop = top; }", top)
        gallery.nb.wait_until(lambda top=top: top // ROW in gallery.channels(), "the rows scrolled to")
        gallery.wait_rows()
        assert len(gallery.channels()) < 12
    assert max(gallery.channels()) == channels - 1

    row = gallery.root.locator('.cnnw-row[data-channel="57"]')
    top = gallery.nb.python("gallery.index.top(gallery.layer, 57, 1)[0].value")
    assert float(row.locator(".cnnw-row-score").inner_text()) == round(top, 2)
    for place in (30 * ROW, 57 * ROW):  # they have been seen
        frames, took = gallery.root.evaluate(SCROLL, place)
        print(f"scrolled to {place} px: there in frame {frames} after {took:.1f} ms")
        assert frames <= 3
    row.click()
    gallery.wait_python("(gallery.view, gallery.channel) == ('wall', 57)")
    gallery.wait_painted("features.2.5", 57)


def test_search_and_order(notebook):
    gallery = open_overview(notebook)
    nb = gallery.nb
    gallery.search.fill("6")
    wanted = [6, *range(60, 64)]  # what begins with it
    nb.wait_until(lambda: gallery.channels() == wanted, "the channels of this number")
    gallery.wait_rows()
    gallery.root.get_by_role("button", name="Clear the search").filter(visible=True).first.click()

    sort = gallery.root.get_by_label("Sort by", exact=True)
    sort.select_option("maximum")
    values = nb.python("gallery.index.entries(gallery.layer).values[:, 0].tolist()")
    first = sorted(range(64), key=lambda channel: -values[channel])[:5]
    nb.wait_until(lambda: gallery.channels()[:5] == first, "the strongest first")

    sort.select_option("class")
    gallery.root.get_by_role("combobox", name="Class").fill("3")
    nb.page.keyboard.press("Enter")
    gallery.wait_python("(gallery.order, gallery.target) == ('class', '3')")
    first = nb.python("[found.channel for found in gallery.index.for_class('3', gallery.layer, top=5)]")
    nb.wait_until(lambda: gallery.channels()[:5] == first, "the characteristic ones first")
    assert "most characteristic of 3 first" in gallery.root.locator(".cnnw-overview").inner_text()

    sort.select_option("likeness")
    gallery.wait_python("(gallery.order, gallery.alike) == ('likeness', 7)")
    first = nb.python("[found.channel for found in gallery.index.like(gallery.layer, 7, top=4)]")
    nb.wait_until(lambda: gallery.channels()[:5] == [7, *first], "the most alike first")


def test_walk_by_keys(notebook):
    gallery = open_overview(notebook)
    press = gallery.nb.page.keyboard.press
    gallery.rows.focus()
    press("Home")
    for _ in range(12):
        press("ArrowDown")
    active = gallery.root.locator(".cnnw-row[data-active]")
    gallery.nb.wait_until(lambda: active.get_attribute("data-channel") == "12", "the thirteenth row")
    press("End")
    gallery.nb.wait_until(lambda: active.get_attribute("data-channel") == "63", "the last row")
    press("Enter")
    gallery.wait_painted("features.2.5", 63)
    gallery.wait_python("gallery.channel == 63")
