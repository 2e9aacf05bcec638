//! A browser that a test drives: Debian's Chromium without a window, told what to do by its own protocol (DevTools).
//!
//! The protocol is JSON with a zero byte after each message, over two pipes that the browser has as its descriptors 3 and 4: so
//! no library and no port is needed, and the browser ends with the test's process, however that ends. What it tells unasked is
//! kept, so that a test can look at what went wrong in it.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::poll_until;

use crate::world::LONG;

const PROGRAM: &str = "chromium";
/// The shell puts the pipes where the browser looks for them.
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>&2"#;
/// It opens nothing but our own page, and has no sandbox where the test runs as root or in a container.
const OPTIONS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--remote-debugging-pipe",
];

/// A browser with one page open.
pub struct Browser {
    child: Child,
    to: RefCell<ChildStdin>,
    from: Receiver<Value>,
    asked: Cell<u64>,
    heard: RefCell<Vec<Value>>,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; a machine that has none is told what installs it.
    pub fn start() -> Self {
        let found = Command::new(PROGRAM).arg("--version").output();
        assert!(
            found.is_ok_and(|found| found.status.success()),
            "{PROGRAM} is needed to look at the page: script/setup installs it (Debian's package {PROGRAM})"
        );
        let profile = tempfile::tempdir().unwrap();
        let log = File::create(profile.path().join("log")).unwrap();
        let mut child = Command::new("sh")
            .args(["-c", WITH_PIPES, PROGRAM])
            .args(OPTIONS)
            .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (told, from) = channel();
        let messages = BufReader::new(child.stdout.take().unwrap()).split(0);
        thread::spawn(move || {
            let read = messages.map_while(Result::ok);
            let read = read.filter_map(|message| serde_json::from_slice(&message).ok());
            read.take_while(|message: &Value| told.send(message.clone()).is_ok()).for_each(drop);
        });
        let to = RefCell::new(child.stdin.take().unwrap());
        let (asked, heard, session) = (Cell::new(0), RefCell::default(), String::new());
        let mut browser = Self { child, to, from, asked, heard, session, _profile: profile };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = self.call("Target.attachToTarget", &attach);
        attached["sessionId"].as_str().unwrap().clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Log", "Network"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Calls a method of the protocol.
    pub fn call(&self, method: &str, params: &Value) -> Value {
        let id = self.asked.get() + 1;
        self.asked.set(id);
        let mut call = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        let mut message = call.to_string().into_bytes();
        message.push(0);
        self.to.borrow_mut().write_all(&message).unwrap();
        loop {
            let told = self.from.recv_timeout(LONG).unwrap_or_else(|e| panic!("{method}: {e}"));
            if told["id"] == id {
                assert!(told["error"].is_null(), "{method} {params}: {}", told["error"]);
                return told["result"].clone();
            }
            self.heard.borrow_mut().push(told);
        }
    }

    /// Gives the page another size.
    pub fn resize(&self, (width, height): (u32, u32)) {
        let is_mobile = width < 700;
        self.call(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": is_mobile}),
        );
    }

    /// Goes to an address.
    pub fn open(&self, url: &str) {
        self.call("Page.navigate", &json!({"url": url}));
    }

    /// What an expression is in the page.
    pub fn look(&self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let found = self.call("Runtime.evaluate", &asked);
        assert!(found["exceptionDetails"].is_null(), "{expression}: {found}");
        found["result"]["value"].clone()
    }

    /// Waits until an expression is something in the page, and answers what.
    pub fn wait(&self, what: &str, expression: &str) -> Value {
        let is_something =
            |found: &Value| !(found.is_null() || *found == json!(false) || *found == json!(""));
        let found = poll_until(LONG, || Some(self.look(expression)).filter(is_something));
        found.unwrap_or_else(|_| {
            let shown = self.look("document.body?.innerText");
            panic!("{what}: {expression}\n{shown}\n{:?}", self.complaints(""))
        })
    }

    /// Clicks into the middle of the first element that a selector finds, as a mouse does.
    pub fn click(&self, selector: &str) {
        let place = self.look(&format!(
            "(() => {{ const of = document.querySelector({selector:?}).getBoundingClientRect(); \
             return [of.x + of.width / 2, of.y + of.height / 2]; }})()"
        ));
        for kind in ["mouseMoved", "mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", &event);
        }
    }

    /// Presses a key that writes a letter.
    pub fn press(&self, key: &str) {
        for event in [
            json!({"type": "keyDown", "key": key, "text": key}),
            json!({"type": "keyUp", "key": key}),
        ] {
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// What went wrong in the page so far: exceptions, errors and warnings of its console, requests that left `origin`.
    pub fn complaints(&self, origin: &str) -> Vec<String> {
        self.heard.borrow_mut().extend(self.from.try_iter());
        let heard = self.heard.borrow();
        let complaint = |event: &Value| {
            let of = &event["params"];
            let is_bad = |level: &Value| [json!("error"), json!("warning")].contains(level);
            let url = of["request"]["url"].as_str().unwrap_or_default();
            let is_one = match event["method"].as_str()? {
                "Runtime.exceptionThrown" => true,
                "Runtime.consoleAPICalled" => is_bad(&of["type"]),
                "Log.entryAdded" => is_bad(&of["entry"]["level"]),
                "Network.requestWillBeSent" => !url.starts_with(origin),
                _ => false,
            };
            is_one.then(|| event.to_string())
        };
        heard.iter().filter_map(complaint).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
