//! The search space service.

use std::num::NonZero;
use std::sync::Arc;

use prost::Message as _;
use tonic::{Request, Response, Status};

use crate::grpc::known_spaces::KnownSpaces;
use crate::grpc::request_key::request_key;
use crate::grpc::{StoreAccess, status};
use crate::pb::search_space_service_server::SearchSpaceService;
use crate::pb::{self, WireError};
use crate::space::{self, SearchSpace};
use crate::store::SearchSpaceCreated;

/// Entries of a page when the client does not say.
const DEFAULT_PAGE_SIZE: usize = 50;

/// Entries of a page at most.
const MAX_PAGE_SIZE: usize = 1_000;

/// Bytes of a reply at most: most clients take no more than 4 MiB.
const MAX_REPLY_BYTES: usize = 3 << 20;

/// Keeps search spaces, and tells of their architectures.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct SearchSpaces {
    store: StoreAccess,
    known: KnownSpaces,
    max_architectures: NonZero<usize>,
}

impl SearchSpaces {
    pub fn new(store: StoreAccess, max_architectures: NonZero<usize>) -> Self {
        Self { known: KnownSpaces::new(store.clone()), store, max_architectures }
    }

    async fn named(&self, name: &str) -> Result<Arc<SearchSpace>, Status> {
        self.known.named(name).await?.ok_or_else(|| status::not_found("search space", name))
    }
}

#[tonic::async_trait]
impl SearchSpaceService for SearchSpaces {
    #[tracing::instrument(name = "rpc.create_search_space", skip_all)]
    async fn create_search_space(
        &self,
        request: Request<pb::CreateSearchSpaceRequest>,
    ) -> Result<Response<pb::CreateSearchSpaceResponse>, Status> {
        let request = request.into_inner();
        let message = request.search_space.unwrap_or_default();
        let key = request_key(request.request_id, &message)?;
        if space::builtin(&message.name).is_some() {
            return Err(status::already_exists("search space", &message.name));
        }
        let space = message.decode().map_err(|error| error.within("search_space"))?;
        let is_new = match self.store.get()?.search_space_create(&space, key.as_ref()).await? {
            SearchSpaceCreated::New => true,
            SearchSpaceCreated::Same => false,
            SearchSpaceCreated::NameTaken => return Err(status::already_exists("search space", &space.name)),
            SearchSpaceCreated::RequestReused => {
                return Err(WireError::new("request_id", "came before with another search space").into());
            }
        };
        Ok(Response::new(pb::CreateSearchSpaceResponse { search_space: Some((&space).into()), is_new }))
    }

    #[tracing::instrument(name = "rpc.list_search_spaces", skip_all)]
    async fn list_search_spaces(
        &self,
        request: Request<pb::ListSearchSpacesRequest>,
    ) -> Result<Response<pb::ListSearchSpacesResponse>, Status> {
        let request = request.into_inner();
        let page_size = match usize::try_from(request.page_size) {
            Ok(0) => DEFAULT_PAGE_SIZE,
            Ok(size) => size.min(MAX_PAGE_SIZE),
            Err(_) => return Err(WireError::new("page_size", "must not be negative").into()),
        };
        let spaces = self.known.after(&request.page_token, page_size + 1).await?;
        Ok(Response::new(page(&spaces, page_size)))
    }

    #[tracing::instrument(name = "rpc.get_search_space", skip_all)]
    async fn get_search_space(
        &self,
        request: Request<pb::GetSearchSpaceRequest>,
    ) -> Result<Response<pb::GetSearchSpaceResponse>, Status> {
        let space = self.named(&request.into_inner().name).await?;
        Ok(Response::new(pb::GetSearchSpaceResponse { search_space: Some((&*space).into()) }))
    }

    #[tracing::instrument(name = "rpc.describe_architecture", skip_all)]
    async fn describe_architecture(
        &self,
        request: Request<pb::DescribeArchitectureRequest>,
    ) -> Result<Response<pb::DescribeArchitectureResponse>, Status> {
        let request = request.into_inner();
        let space = self.named(&request.search_space).await?;
        let architecture = request.architecture.unwrap_or_default();
        let architecture =
            architecture.decode(&space).map_err(|error| error.within("architecture"))?.architecture;
        let svg = request.svg.then(|| architecture.svg());
        Ok(Response::new(pb::DescribeArchitectureResponse { svg, ..(&architecture).into() }))
    }

    #[tracing::instrument(name = "rpc.sample_architectures", skip_all)]
    async fn sample_architectures(
        &self,
        request: Request<pb::SampleArchitecturesRequest>,
    ) -> Result<Response<pb::SampleArchitecturesResponse>, Status> {
        let request = request.into_inner();
        let space = self.named(&request.search_space).await?;
        let (count, limit) = (request.count as usize, self.max_architectures.get());
        if !(1..=limit).contains(&count) {
            return Err(WireError::new("count", format!("{count} is not between 1 and {limit}")).into());
        }
        // A space in which few draws come to an architecture takes its time.
        let sample = tokio::task::spawn_blocking(move || space.sample(count, request.seed)).await;
        let sample = sample.map_err(|error| status::internal(&error, "sampling failed"))?;
        let architectures =
            sample.iter().map(|architecture| pb::Architecture::from_text(architecture.text())).collect();
        let response = pb::SampleArchitecturesResponse { architectures };
        let size_bytes = response.encoded_len();
        if size_bytes > MAX_REPLY_BYTES {
            let problem = format!(
                "{count} architectures of this space are {size_bytes} bytes, more than {MAX_REPLY_BYTES}"
            );
            return Err(WireError::new("count", problem).into());
        }
        Ok(Response::new(response))
    }
}

/// The page of what was asked for with one entry more than it has; a shorter one where it would be too large to send.
fn page(spaces: &[Arc<SearchSpace>], page_size: usize) -> pb::ListSearchSpacesResponse {
    let mut size_bytes = 0;
    let search_spaces: Vec<pb::SearchSpace> = spaces
        .iter()
        .take(page_size)
        .map(|space| pb::SearchSpace::from(&**space))
        .take_while(|space| {
            size_bytes += space.encoded_len();
            size_bytes <= MAX_REPLY_BYTES
        })
        .collect();
    let last = search_spaces.last().filter(|_| search_spaces.len() < spaces.len());
    let next_page_token = last.map(|space| space.name.clone()).unwrap_or_default();
    pb::ListSearchSpacesResponse { search_spaces, next_page_token }
}
