//! The search space service.

use std::num::NonZero;
use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::grpc::status;
use crate::pb::search_space_service_server::SearchSpaceService;
use crate::pb::{self, WireError};
use crate::space::{self, SearchSpace};

/// Entries of a page when the client does not say.
const DEFAULT_PAGE_SIZE: usize = 50;

/// Entries of a page at most.
const MAX_PAGE_SIZE: usize = 1_000;

/// Tells of search spaces and their architectures.
#[derive(Clone, Debug)]
pub(in crate::grpc) struct SearchSpaces {
    max_architectures: NonZero<usize>,
}

impl SearchSpaces {
    pub fn new(max_architectures: NonZero<usize>) -> Self {
        Self { max_architectures }
    }
}

#[tonic::async_trait]
impl SearchSpaceService for SearchSpaces {
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
        Ok(Response::new(page(space::builtins().collect(), page_size, &request.page_token)))
    }

    #[tracing::instrument(name = "rpc.get_search_space", skip_all)]
    async fn get_search_space(
        &self,
        request: Request<pb::GetSearchSpaceRequest>,
    ) -> Result<Response<pb::GetSearchSpaceResponse>, Status> {
        let space = named(&request.into_inner().name)?;
        Ok(Response::new(pb::GetSearchSpaceResponse { search_space: Some((&*space).into()) }))
    }

    #[tracing::instrument(name = "rpc.describe_architecture", skip_all)]
    async fn describe_architecture(
        &self,
        request: Request<pb::DescribeArchitectureRequest>,
    ) -> Result<Response<pb::DescribeArchitectureResponse>, Status> {
        let request = request.into_inner();
        let space = named(&request.search_space)?;
        let architecture = request.architecture.unwrap_or_default();
        let architecture =
            architecture.decode(&space).map_err(|error| error.within("architecture"))?.architecture;
        let cost = architecture.cost();
        Ok(Response::new(pb::DescribeArchitectureResponse {
            text: architecture.text().to_owned(),
            graph: Some((&architecture).into()),
            canonical_id: architecture.canonical().id.to_string(),
            parameters: cost.map(|cost| cost.parameters),
            flops: cost.map(|cost| cost.flops),
        }))
    }

    #[tracing::instrument(name = "rpc.sample_architectures", skip_all)]
    async fn sample_architectures(
        &self,
        request: Request<pb::SampleArchitecturesRequest>,
    ) -> Result<Response<pb::SampleArchitecturesResponse>, Status> {
        let request = request.into_inner();
        let space = named(&request.search_space)?;
        let (count, limit) = (request.count as usize, self.max_architectures.get());
        if !(1..=limit).contains(&count) {
            return Err(WireError::new("count", format!("{count} is not between 1 and {limit}")).into());
        }
        let architectures = (space.sample(count, request.seed).iter())
            .map(|architecture| pb::Architecture::from_text(architecture.text()))
            .collect();
        Ok(Response::new(pb::SampleArchitecturesResponse { architectures }))
    }
}

fn named(name: &str) -> Result<Arc<SearchSpace>, Status> {
    space::builtin(name).ok_or_else(|| status::not_found("search space", name))
}

/// The page that begins after the space whose name is the token.
fn page(mut spaces: Vec<Arc<SearchSpace>>, page_size: usize, token: &str) -> pb::ListSearchSpacesResponse {
    spaces.sort_by(|a, b| a.name.cmp(&b.name));
    let mut rest = spaces.iter().filter(|space| *space.name > *token).peekable();
    let page: Vec<_> = rest.by_ref().take(page_size).collect();
    let is_last = rest.peek().is_none();
    pb::ListSearchSpacesResponse {
        next_page_token: match page.last() {
            Some(last) if !is_last => last.name.clone(),
            _ => String::new(),
        },
        search_spaces: page.into_iter().map(|space| (&**space).into()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spaces(names: &[&str]) -> Vec<Arc<SearchSpace>> {
        let renamed = |name: &&str| {
            let mut space = (*space::nasbench201()).clone();
            space.name = (*name).to_owned();
            Arc::new(space)
        };
        names.iter().map(renamed).collect()
    }

    #[test]
    fn pages_follow_each_other_until_all_are_listed_once() {
        let all = spaces(&["d", "b", "a", "c", "e"]);
        let (mut names, mut token, mut n_pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = page(all.clone(), 2, &token);
            names.extend(page.search_spaces.into_iter().map(|space| space.name));
            (token, n_pages) = (page.next_page_token, n_pages + 1);
            if token.is_empty() {
                break;
            }
        }
        assert_eq!((names, n_pages), (["a", "b", "c", "d", "e"].map(String::from).to_vec(), 3));
    }

    #[test]
    fn the_last_page_says_so_even_when_it_is_full() {
        assert_eq!(page(spaces(&["a", "b"]), 2, "").next_page_token, "");
    }
}
