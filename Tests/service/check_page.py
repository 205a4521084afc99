#!/usr/bin/env python3
"""Drives the page in headless Chromium: upload, plan, progress, comparison, download, error, reload, language, phone.

    check_page.py [--screenshots FOLDER] [--picture FILE]

Needs Debian's chromium, chromium-driver and python3-selenium.
"""
import argparse
import os
import sys
import tempfile
import time

from selenium import webdriver
from selenium.webdriver.chrome.service import Service as Driver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from harness import Service, png


class Page:
    def __init__(self, url, downloads, dark=False, language="en-US"):
        options = webdriver.ChromeOptions()
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1200,1000", "--lang=" + language):
            options.add_argument(flag)
        if dark:
            options.add_argument("--force-dark-mode")
            options.add_argument("--enable-features=WebUIDarkMode")
        options.add_experimental_option("prefs", {"download.default_directory": downloads, "intl.accept_languages": language})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Driver("/usr/bin/chromedriver"), options=options)
        if dark:
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
        self.driver.get(url)

    def find(self, test, within=None):
        return (within or self.driver).find_element(By.CSS_SELECTOR, '[data-test="%s"]' % test)

    def jobs(self, state=None):
        return self.driver.find_elements(By.CSS_SELECTOR, "[data-job]" + ('[data-state="%s"]' % state if state else ""))

    def until(self, what, body, seconds=60):
        end = time.time() + seconds
        while time.time() < end:
            try:
                found = body()
                if found:
                    return found
            except Exception as error:  # the row was drawn anew meanwhile
                if "stale" not in str(error) and "no such element" not in str(error):
                    raise
            time.sleep(0.03)
        raise AssertionError("it never came: " + what)


def shown(what):
    print("shown: " + what, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--screenshots")
    parser.add_argument("--picture")
    options = parser.parse_args()
    folder = tempfile.mkdtemp()

    def file(name, data):
        path = os.path.join(folder, name)
        with open(path, "wb") as out:
            out.write(data)
        return path

    picture = options.picture or file("meadow.png", png(640, 420))
    small, large, text = file("small.png", png(120, 90)), file("large.png", png(1100, 900)), file("text.png", b"no picture at all")

    with Service("--memory", "600M") as service:
        url = "http://127.0.0.1:%d/" % service.port
        page = Page(url, folder)

        def snap(name, other=None):
            if options.screenshots:
                os.makedirs(options.screenshots, exist_ok=True)
                (other or page).driver.save_screenshot(os.path.join(options.screenshots, name + ".png"))

        try:
            page.until("the models", lambda: page.find("model").find_elements(By.TAG_NAME, "option"), 10)
        except AssertionError:
            print(page.driver.get_log("browser"), page.driver.page_source[:300])
            raise
        models = [o.text for o in page.find("model").find_elements(By.TAG_NAME, "option")]
        assert models == ["base", "lite", "photo"], models
        snap("1-start")
        page.find("file").send_keys(picture)
        plan = page.until("the plan", lambda: page.find("plan").text if "MiB" in page.find("plan").text else None)
        assert "→" in plan and "s" in plan, plan
        snap("2-plan")
        shown("plan before starting: " + plan)

        page.driver.execute_script("document.querySelector('#scale').value = '3'; document.querySelector('#scale').dispatchEvent(new Event('change'))")
        page.find("start").click()
        page.until("the comparison", lambda: page.find("compare").is_displayed() and page.find("handle").is_displayed())
        time.sleep(0.3)
        snap("3-compare")
        job = page.jobs("done")[0].get_attribute("data-job")
        shown("upload, and the comparison when it is done")

        handle, stage = page.find("handle"), page.find("stage")
        assert handle.get_attribute("aria-valuenow") == "50"
        ActionChains(page.driver).click_and_hold(handle).move_by_offset(-200, 0).release().perform()
        moved = int(handle.get_attribute("aria-valuenow"))
        assert 20 < moved < 40, moved
        handle.send_keys(Keys.ARROW_RIGHT)
        assert int(handle.get_attribute("aria-valuenow")) == moved + 2
        shown("slider by mouse and by keyboard")

        transform = lambda: page.driver.execute_script("return document.querySelector('#sheet').style.transform")
        for zoom in ("zoom-1", "zoom-2", "zoom-4"):
            before = transform()
            page.find(zoom).click()
            assert transform() != before and page.find(zoom).get_attribute("aria-pressed") == "true"
        assert page.driver.execute_script("return document.querySelector('#sheet').classList.contains('pixels')")
        before = transform()
        ActionChains(page.driver).move_to_element_with_offset(stage, 200, 100).click_and_hold().move_by_offset(60, 40).release().perform()
        assert transform() != before
        snap("4-zoom")
        shown("zoom to pixels, and panning")

        page.find("download").click()
        name = os.path.splitext(os.path.basename(picture))[0] + "_x3.png"
        path = page.until("the download", lambda: os.path.exists(os.path.join(folder, name)) and os.path.join(folder, name))
        time.sleep(0.5)
        with open(path, "rb") as result:
            assert result.read() == service.get("/v1/jobs/%s/result" % job).body
        shown("download as " + name)

        page.find("file").send_keys(text)
        page.until("a plan", lambda: page.find("plan").text)
        page.find("start").click()
        error = page.until("the error", lambda: page.find("error").text)
        assert "no picture" in error, error
        snap("5-error")
        page.find("remove", page.find("waiting")).click()
        shown("an error as a sentence: " + error)

        page.find("file").send_keys(large)
        page.find("start").click()
        row = page.until("progress", lambda: page.jobs("running"))[0]
        values = set()
        while page.jobs("running"):
            try:
                values.add(page.find("progress").get_attribute("value"))
            except Exception:
                pass  # drawn anew at this moment
        assert len(values) > 3, values
        page.until("its end", lambda: len(page.jobs("done")) == 2)
        shown("progress in %d steps" % len(values))

        page.driver.execute_script("document.querySelector('#augment').click()")
        page.find("file").send_keys(large)
        page.find("start").click()
        row = page.until("a running job", lambda: page.jobs("running"))[0]
        snap("6-running")
        page.find("cancel", row).click()
        page.until("its going", lambda: len(page.jobs()) == 2)
        shown("cancelling")

        page.driver.refresh()
        page.until("the list", lambda: len(page.jobs("done")) == 2)
        row = page.driver.find_element(By.CSS_SELECTOR, '[data-job="%s"]' % job)
        page.find("compare", row).click()
        page.until("the comparison after the reload", lambda: page.find("handle").is_displayed())
        shown("the list and the comparison after a reload")

        page.find("language").click()
        assert page.find("start").text == "放大" and page.driver.execute_script("return document.documentElement.lang") == "zh-CN"
        snap("7-chinese")
        page.driver.refresh()
        page.until("Chinese after a reload", lambda: page.find("start").text == "放大")
        page.find("language").click()
        shown("Chinese and English, remembered")

        page.driver.set_window_size(500, 900)
        page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
        page.find("file").send_keys(small)
        page.until("a plan", lambda: "MiB" in page.find("plan").text)
        page.find("start").click()
        page.until("its end", lambda: len(page.jobs("done")) == 3 and page.find("handle").is_displayed())
        wide = page.driver.execute_script("return document.documentElement.scrollWidth")
        assert wide <= 390, wide
        snap("8-phone")
        shown("a phone's width without sideways scrolling")

        # The refused picture's 422 is one that the browser tells of as well.
        logs = [e["message"] for e in page.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING") and "422" not in e["message"]]
        assert not logs, logs
        shown("no errors in the console, no violation of the content security policy")
        page.driver.quit()

        dark = Page(url, folder, dark=True, language="zh-CN")
        dark.until("the list", lambda: len(dark.jobs("done")) == 3)
        assert dark.driver.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 23)"
        assert dark.find("start").text == "放大"
        dark.find("compare", dark.jobs("done")[0]).click()
        dark.until("the result alone", lambda: dark.find("compare").is_displayed() and dark.driver.execute_script("return document.querySelector('#after').naturalWidth") > 0)
        assert not dark.find("handle").is_displayed()
        snap("9-dark", dark)
        dark.driver.quit()
        shown("dark mode, the browser's language, and a comparison without the input")

    tokens = file("tokens", b"ann:aaaaaaaaaaaaaaaa\n")
    with Service("--tokens", tokens) as service:
        page = Page("http://127.0.0.1:%d/" % service.port, folder)
        field = page.until("the question for a token", lambda: page.find("token").is_displayed() and page.find("token"))
        field.send_keys("a" * 16)
        page.find("token-ok").click()
        page.until("the models", lambda: page.find("model").find_elements(By.TAG_NAME, "option"))
        page.find("file").send_keys(small)
        page.until("a plan", lambda: "MiB" in page.find("plan").text)
        page.find("start").click()
        page.until("its end", lambda: page.jobs("done"))
        page.driver.quit()
        shown("a token, asked for and used")
    return 0


if __name__ == "__main__":
    sys.exit(main())
