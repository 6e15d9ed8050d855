"""The HTML report in a real browser."""

import json
import shutil

import pytest
from drives import icnet, make_bag

from icnet_ros.engine.base import EngineOptions
from icnet_ros.engine.table import open_engine

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium in this environment")
    if not (BROWSER and DRIVER):
        pytest.skip("no Chromium with its driver here: sudo apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    # The proxy makes sure that a page which wants something from the network fails.
    words = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --proxy-server=127.0.0.1:9"
    for word in words.split():
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def reports(tmp_path_factory, tiny, model):
    folder = tmp_path_factory.mktemp("pages")
    engine = open_engine("torch", tiny, EngineOptions("cpu"))
    bags = [str(make_bag(folder / f"drive <{number}>", engine, frames=8, damaged=(2,))) for number in range(2)]
    for name, chosen in (("one", bags[:1]), ("two", bags)):
        words = ("--out", folder / name, "--engine", "torch", "--model", model, "--no-video")
        assert icnet("replay", *chosen, *words) == 0
    return folder


def opened(browser, page, width):
    browser.set_window_size(width, 900)
    browser.get(page.as_uri())
    errors = [entry for entry in browser.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    assert errors == []
    return browser


def text(browser, selector):
    return browser.find_element("css selector", selector).text


@pytest.mark.parametrize("width", [1280, 420])
def test_the_report_shows_its_figures(browser, reports, width):
    report = json.loads((reports / "one" / "report.json").read_text())
    opened(browser, reports / "one" / "report.html", width)
    assert text(browser, "h1") == "drive <0>"
    assert text(browser, "#miou") == f"{report['miou']:.4f}"
    assert text(browser, "#labelled") == "7"
    page = text(browser, "body")
    for name, iou in report["per_class"].items():
        assert name in page
        assert f"{iou:.3f}" in page
    assert "UNTRAINED" in page
    assert report["bag_sha256"] in page
    assert report["errors"][0] in page
    drawn = browser.execute_script("return document.querySelectorAll('.js-plotly-plot .main-svg').length > 0")
    assert drawn
    bars = browser.execute_script("return document.getElementById('classes').data[0].text")
    assert sorted(bars) == sorted(f"{iou:.3f}" for iou in report["per_class"].values())
    overflow = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
    assert overflow <= 0
    pictures = "return [...document.images].filter(i => !(i.complete && i.naturalWidth)).length"
    assert browser.execute_script(pictures) == 0


def test_the_frame_under_the_pointer_is_shown(browser, reports):
    opened(browser, reports / "one" / "report.html", 1280)
    assert text(browser, "#caption").startswith("frame 0 ")
    script = "document.getElementById('timeline').emit('{}', {{points: [{{customdata: 5}}]}})"
    browser.execute_script(script.format("plotly_hover"))
    assert text(browser, "#caption").startswith("frame 5 ")
    first = browser.find_element("id", "thumbnail").get_attribute("src")
    scrub = "const s = document.getElementById('scrub'); s.value = 0; s.dispatchEvent(new Event('input'))"
    browser.execute_script(scrub)
    assert text(browser, "#caption").startswith("frame 0 ")
    assert browser.find_element("id", "thumbnail").get_attribute("src") != first
    browser.execute_script(script.format("plotly_hover"))
    assert text(browser, "#caption").startswith("frame 0 ")  # it is held


def test_the_index_leads_to_each_drive(browser, reports):
    opened(browser, reports / "two" / "index.html", 1280)
    links = [link.text for link in browser.find_elements("css selector", "td a")]
    assert links == ["drive <0>", "drive <1>"]
    browser.find_element("link text", "drive <1>").click()
    assert text(browser, "h1") == "drive <1>"


def test_the_comparison(browser, reports):
    assert icnet("compare", reports / "one", reports / "one", "--out", reports / "compared") == 0
    opened(browser, reports / "compared" / "compare.html", 1280)
    assert "100.000 %" in text(browser, "body")
    assert "+0.0000" in text(browser, "body")


def test_nothing_is_fetched(reports):
    """Even without a browser: no address of another machine is loaded."""
    page = (reports / "one" / "report.html").read_text()
    head = page[: page.index("<script>")] + page[page.rindex("</main>") :]
    assert "src=" not in head
    assert "http" not in head
    assert "@import" not in page[: page.index("<script>")]
