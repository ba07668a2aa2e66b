//! A real browser, for what people look at: Debian's Chromium, told what to do over WebDriver.
//!
//! Over WebDriver's plain HTTP: the crates for it bring `webdriver`, whose licence (MPL-2.0) this repository does not take
//! in, and a second HTTP stack, for the five requests that are needed.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A browser with one page, as large as it was told last.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// Of the window, in CSS pixels.
    pub width: u32,
    /// Whether the system is set to dark colours.
    pub is_dark: bool,
}

/// How high a picture may be, in CSS pixels.
const PICTURE: u64 = 1000;
const PATIENCE: Duration = Duration::from_secs(120);

impl Browser {
    /// Starts one with a profile of its own, that calls nobody.
    pub fn start() -> Self {
        let mut driver = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "chromedriver", "--port=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("start chromedriver: `dev/install browser` installs it");
        let mut lines = BufReader::new(driver.stdout.take().expect("its output")).lines();
        let port = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok())
            .expect("chromedriver tells its port");
        // What it writes after that is nobody's.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = tempfile::tempdir().expect("a folder");
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        browser.session = browser.begin();
        browser
    }

    fn begin(&self) -> String {
        // It ends by itself when its pipe does, so that none is left behind whatever happens to the test.
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
        ];
        let mut flags: Vec<String> = flags.map(str::to_owned).to_vec();
        flags.push(format!("--user-data-dir={}", self._profile.path().display()));
        let begun = self.call(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": {"args": flags},
                "goog:loggingPrefs": {"browser": "ALL"},
            }}}),
        );
        begun["sessionId"].as_str().unwrap_or_else(|| panic!("no session: {begun}")).to_owned()
    }

    /// Goes to a page.
    pub fn open(&self, url: &str) {
        self.command("/url", &json!({"url": url}));
    }

    /// The value of a JavaScript expression in the page.
    pub fn value(&self, expression: &str) -> Value {
        self.command("/execute/sync", &json!({"script": format!("return {expression};"), "args": []}))
    }

    /// The text that an element shows, by its CSS selector; empty if there is none or it is hidden.
    pub fn text(&self, selector: &str) -> String {
        let expression = format!("(document.querySelector({}) || {{}}).innerText || ''", json!(selector));
        self.value(&expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a JavaScript expression is true.
    pub fn wait_until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(expression) != json!(true) {
            let shown = || self.text("body");
            assert!(Instant::now() < deadline, "waited in vain until {expression}:\n{}", shown());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until an element shows a text.
    pub fn wait_for(&self, selector: &str, text: &str) {
        let selector = json!(selector);
        let shown = format!("(document.querySelector({selector}) || {{}}).innerText || ''");
        self.wait_until(&format!("({shown}).includes({})", json!(text)));
    }

    /// Types a text into a field, in place of what it holds.
    pub fn type_into(&self, selector: &str, text: &str) {
        let script = format!(
            "const field = document.querySelector({}); field.value = {}; \
             field.dispatchEvent(new Event('input', {{bubbles: true}}))",
            json!(selector),
            json!(text)
        );
        self.command("/execute/sync", &json!({"script": script, "args": []}));
    }

    /// Clicks an element.
    pub fn click(&self, selector: &str) {
        let script = format!("document.querySelector({}).click()", json!(selector));
        self.command("/execute/sync", &json!({"script": script, "args": []}));
    }

    /// Looks at the page from now on in this way.
    pub fn look(&self, look: Look) {
        let Look { width, is_dark } = look;
        let mobile = width < 500;
        self.chromium(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": mobile}),
        );
        let scheme = if is_dark { "dark" } else { "light" };
        self.chromium(
            "Emulation.setEmulatedMedia",
            &json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]}),
        );
    }

    /// Writes what is seen of the page, scrolled down as far as a picture is of use, as PNG.
    pub fn screenshot(&self, file: &Path) {
        let size =
            "({width: document.documentElement.clientWidth, height: document.documentElement.scrollHeight})";
        let size = self.value(size);
        let height = size["height"].as_u64().map_or(PICTURE, |height| height.min(PICTURE));
        let clip = json!({"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1});
        let taken = self.chromium(
            "Page.captureScreenshot",
            &json!({"format": "png", "captureBeyondViewport": true, "optimizeForSpeed": false, "clip": clip}),
        );
        let png = STANDARD.decode(taken["data"].as_str().expect("a screenshot")).expect("base64");
        fs::create_dir_all(file.parent().expect("a folder")).expect("make the folder of screenshots");
        fs::write(file, png).expect("write a screenshot");
    }

    /// What the page complained of since this was asked last: errors of scripts, refused resources.
    pub fn complaints(&self) -> Vec<String> {
        let log = self.command("/se/log", &json!({"type": "browser"}));
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry["message"].as_str().map(str::to_owned)).collect()
    }

    fn chromium(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    fn command(&self, path: &str, body: &Value) -> Value {
        self.call("POST", &format!("/session/{}{path}", self.session), body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.exchange(method, path, body).unwrap_or_else(|error| panic!("{path}: {error}"));
        let value = answer["value"].clone();
        assert!(value["error"].is_null(), "{path}: {value}");
        value
    }

    fn exchange(&self, method: &str, path: &str, body: &Value) -> std::io::Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.to_string();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}",
            self.port
        )?;
        // The driver leaves connections open whatever it is asked.
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().map_err(std::io::Error::other)?;
                }
                _ if line.trim_end().is_empty() => break,
                _ => {}
            }
        }
        let mut json = vec![0; length];
        reader.read_exact(&mut json)?;
        serde_json::from_slice(&json).map_err(std::io::Error::other)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // A second panic would abort the whole test process; and a driver that is gone has no browser left.
        drop(self.exchange("DELETE", &format!("/session/{}", self.session), &json!({})));
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}
