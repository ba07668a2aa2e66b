use std::process::{Child, Command};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;

type Request = (Command, mpsc::Sender<std::io::Result<Child>>);

/// Starts a process from a thread that stays. `setpriv --pdeathsig` makes the system end a process together with the
/// thread that started it, however that ends.
pub(super) fn spawn(command: Command) -> Child {
    static SPAWNER: OnceLock<Mutex<mpsc::Sender<Request>>> = OnceLock::new();
    let requests = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        thread::spawn(move || {
            for (mut command, reply) in requests {
                drop(reply.send(command.spawn()));
            }
        });
        Mutex::new(sender)
    });
    let (reply, answer) = mpsc::channel();
    requests.lock().expect("the spawner").send((command, reply)).expect("the spawner's thread");
    answer.recv().expect("the spawner's thread").expect("start the process")
}
