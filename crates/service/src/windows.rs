use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

use windows_service::service::{
    ServiceAccess, ServiceAction, ServiceActionType, ServiceControl, ServiceControlAccept,
    ServiceErrorControl, ServiceExitCode, ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo,
    ServiceStartType, ServiceState, ServiceStatus, ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use crate::{Error, Service, State};

/// Few rights, and a password that nobody knows or renews.
const ACCOUNT: &str = "NT AUTHORITY\\LocalService";
/// Between a failure and the next start.
const RESTART_AFTER: Duration = Duration::from_secs(5);
/// How long it may drain and save.
const STOP_WITHIN: Duration = Duration::from_secs(40);

/// Makes the entry, to be started with the machine and after a failure, and starts it.
pub fn install(service: &Service) -> Result<(), Error> {
    let manager = manager(ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE)?;
    let info = ServiceInfo {
        name: OsString::from(service.name()),
        display_name: OsString::from(format!("Change data capture, pipeline {}", service.pipeline)),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: service.program.clone(),
        launch_arguments: ["run", "--as-service", "--config"]
            .map(OsString::from)
            .into_iter()
            .chain([service.config.clone().into_os_string()])
            .collect(),
        dependencies: Vec::new(),
        account_name: Some(OsString::from(ACCOUNT)),
        account_password: None,
    };
    let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START;
    let made = manager.create_service(&info, access).map_err(refused("create"))?;
    let restart = ServiceAction { action_type: ServiceActionType::Restart, delay: RESTART_AFTER };
    made.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(Duration::from_secs(86_400)),
        reboot_msg: None,
        command: None,
        actions: Some(vec![restart.clone(), restart.clone(), restart]),
    })
    .map_err(refused("set what follows a failure"))?;
    made.start::<&OsStr>(&[]).map_err(refused("start"))
}

/// Stops it and removes the entry. What the pipeline remembers stays.
pub fn remove(service: &Service) -> Result<(), Error> {
    let access = ServiceAccess::STOP | ServiceAccess::DELETE | ServiceAccess::QUERY_STATUS;
    let found = open(service, access)?;
    let state = found.query_status().map_err(refused("query"))?.current_state;
    if state != ServiceState::Stopped {
        found.stop().map_err(refused("stop"))?;
    }
    // It goes when it has stopped.
    found.delete().map_err(refused("delete"))
}

/// What the manager says of it.
pub fn status(service: &Service) -> Result<State, Error> {
    let found = open(service, ServiceAccess::QUERY_STATUS)?;
    let status = found.query_status().map_err(refused("query"))?;
    let is_running = status.current_state == ServiceState::Running;
    Ok(State { is_running, told: format!("{}: {:?}", service.name(), status.current_state) })
}

/// Tells the manager that the service runs, until `work` ends, which is given what becomes ready when it is to stop.
/// Called on the thread that the manager's dispatcher made for the service.
pub fn run(name: &str, work: impl FnOnce(mpsc::Receiver<()>) -> bool) -> Result<(), Error> {
    let (stop, stopping) = mpsc::channel();
    let handler = move |control| match control {
        ServiceControl::Stop | ServiceControl::Shutdown => {
            // Nobody listens any more when it has ended by itself.
            _ = stop.send(());
            ServiceControlHandlerResult::NoError
        }
        ServiceControl::Interrogate => ServiceControlHandlerResult::NoError,
        _ => ServiceControlHandlerResult::NotImplemented,
    };
    let handle = service_control_handler::register(name, handler).map_err(refused("register"))?;
    let told = |state, accepted, exit| ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: accepted,
        exit_code: ServiceExitCode::Win32(exit),
        checkpoint: 0,
        wait_hint: STOP_WITHIN,
        process_id: None,
    };
    let accepted = ServiceControlAccept::STOP | ServiceControlAccept::SHUTDOWN;
    handle.set_service_status(told(ServiceState::Running, accepted, 0)).map_err(refused("report"))?;
    let is_well = work(stopping);
    let exit = u32::from(!is_well);
    handle
        .set_service_status(told(ServiceState::Stopped, ServiceControlAccept::empty(), exit))
        .map_err(refused("report"))
}

fn manager(access: ServiceManagerAccess) -> Result<ServiceManager, Error> {
    ServiceManager::local_computer(None::<&OsStr>, access).map_err(refused("open the service manager"))
}

/// ERROR_SERVICE_DOES_NOT_EXIST
const DOES_NOT_EXIST: i32 = 1060;

fn open(service: &Service, access: ServiceAccess) -> Result<windows_service::service::Service, Error> {
    let manager = manager(ServiceManagerAccess::CONNECT)?;
    manager.open_service(service.name(), access).map_err(|error| match &error {
        windows_service::Error::Winapi(cause) if cause.raw_os_error() == Some(DOES_NOT_EXIST) => {
            Error::Missing { name: service.name() }
        }
        _ => refused("open")(error),
    })
}

fn refused(action: &'static str) -> impl FnOnce(windows_service::Error) -> Error {
    move |error| match error {
        windows_service::Error::Winapi(source) => {
            Error::Io { action, path: PathBuf::from("the service"), source }
        }
        other => Error::Refused { command: action.to_owned(), told: other.to_string() },
    }
}
